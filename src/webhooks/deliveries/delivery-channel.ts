/** Tells senders that something is due: by a trigger when a delivery is made, and by a replay. */
export const DELIVERY_CHANNEL = 'morag_webhook_delivery';

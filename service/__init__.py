"""Message tracker: the memory of what became of each WhatsApp message that was sent."""

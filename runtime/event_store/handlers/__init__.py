"""Event handlers, as their users see them; `runtime.event_store.feed` is what shows them events."""

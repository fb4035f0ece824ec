"""Changes as they happen: the feed, its subscribers, and the hub that tells them."""

"""Where readings go. One module a kind of sink; see `base.Sink` for what it is, `KINDS` for which there are."""

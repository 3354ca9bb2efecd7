"""UDP Services: who owns them, what the controller will build of them, what we set and what we refuse."""

"""The process that trains, as its supervisor sees it: how it is started, read from and stopped."""

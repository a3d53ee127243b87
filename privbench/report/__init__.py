"""Turns records into tables, leaderboards and pictures."""

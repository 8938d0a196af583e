"""How good promises were: replaying the past, judging, comparing, reporting."""

"""The policy: facts in, decision out. Pure, standard library only, no I/O, no clock, no environment."""

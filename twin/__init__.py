"""The science of dosetwin: a pure, deterministic PK/PD twin of one patient. Nothing here talks to the world."""

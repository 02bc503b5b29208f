"""Programs that turn a run directory into artefacts for other runtimes, and verify them."""

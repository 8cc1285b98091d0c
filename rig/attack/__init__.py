"""Model and views to artefact."""

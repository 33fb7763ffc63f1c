"""The course around the library: checks, widgets, chapter builder, notebook runner, doctor."""

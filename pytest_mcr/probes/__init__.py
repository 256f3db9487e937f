"""White-box measurements on a local model: where in the layers the text wins over the audio."""

"""What a release is made of, besides the wheels: the chart, the notes. Runs on the standard library and helm."""

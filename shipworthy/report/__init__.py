"""What a run leaves, and how it is told. Results in, bytes out: nothing here decides an outcome or asks a host.

run.py        the run's directory and the files written as it goes      text.py      text made inert for each place
findings.py   identical results told once; counts and matrix            terminal.py  lines for the terminal
junit.py      junit.xml for pipelines                                   html.py      report.html, drawn by pytest-html
stored.py     reading a run's directory back
"""

"""The machinery of policies; what they speak of are the subjects, one plain module each in the folder above.

units.py      `64 MiB` ↔ 67108864.0
limit.py      Limit, Verdict: what the checks ask
subject.py    how a subject declares its limits, settings and items
subjects.py   which subjects there are
document.py   strict YAML 1.2 with file and line
form.py       the form of a file, from the subjects
problems.py   what is wrong, in words
templates.py  `{{ … }}` in a sandbox
direct.py     items that stand directly below their subject
plays.py      merging, and the defaults beneath
waivers.py    dated, owned, bounded permissions
host.py       HostPolicy: all that holds for one host
loading.py    files + inventory → Policy
explain.py, reference.py, schema.py: for people and editors
"""

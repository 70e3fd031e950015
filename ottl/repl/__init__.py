"""A place to try rules on real data: `ottl repl`.

`data` holds the records, `difference` says what changed in one, `session` evaluates what is typed and answers in text,
`completion` knows what could come next. None of them needs a terminal; `console` is the terminal.
"""

"""A streamed Anthropic reply under a guard, and a call that is broken off: it is charged what was streamed."""

from anthropic import Anthropic

import comptroller as ct

with (
    ct.open(config={"policies": ["pack:leaks"]}),
    ct.wrap(Anthropic()) as client,
    ct.run("letters", customer="acme"),
):
    messages = [{"role": "user", "content": "Write a letter to ada@example.org."}]  # the model reads [email]
    with client.messages.stream(model="claude-sonnet-5", max_tokens=300, messages=messages) as stream:
        print("".join(stream.text_stream))
    with client.messages.stream(model="claude-sonnet-5", max_tokens=300, messages=messages) as stream:
        print(next(iter(stream.text_stream)), "... enough")

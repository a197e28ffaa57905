-- One call in full, with the digests of its texts.
SELECT c.*, t.after_call, t.after_count, t.request, t.reply, t.args
FROM calls AS c LEFT JOIN texts AS t ON t.seq = c.seq WHERE c.call = $call::VARCHAR

-- What the books hold and how far they have come.
SELECT w.segment, w.byte_offset, w.sequence, w.chain, (SELECT count(*) FROM calls) AS calls,
  (SELECT count(*) FROM open_calls) AS open_calls, (SELECT count(*) FROM runs) AS runs,
  (SELECT count(*) FROM decisions WHERE NOT again) AS decisions, (SELECT count(*) FROM claims) AS claims,
  (SELECT count(*) FROM calls WHERE unpriced) AS unpriced
FROM watermark AS w

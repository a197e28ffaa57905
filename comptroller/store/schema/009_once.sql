-- What is to be counted once although it is on record twice.

-- True where a model call repeats what was decided on a tool call it asked for: that call has the decision itself.
ALTER TABLE decisions ADD COLUMN again BOOLEAN;

-- Failed calls that the tool around them failed on: one failure, counted where the agent met it.
CREATE TABLE passed_on (call VARCHAR, seq BIGINT);

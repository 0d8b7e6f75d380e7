-- Results where the hospital works: destinations of several kinds, rules, completeness, withdrawal, keeping.

-- Delivery. what: 'result' is the report or annotation of one result; 'objects' are the study's originals as
-- they were when the revision was complete, of no result. withdrawn: never sent, and never will be.
ALTER TABLE delivery RENAME TO delivery_1;
CREATE TABLE delivery (
  id          INTEGER PRIMARY KEY,
  what        TEXT NOT NULL CHECK (what IN ('result', 'objects')),
  study_id    INTEGER NOT NULL REFERENCES study (id),
  revision    INTEGER NOT NULL,
  result_id   INTEGER REFERENCES result (id),
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'parked', 'withdrawn')),
  priority    INTEGER NOT NULL DEFAULT 0, -- higher goes first
  attempts    INTEGER NOT NULL DEFAULT 0,
  sent_upto   INTEGER NOT NULL DEFAULT 0, -- of 'objects': the last instance.id that the destination has
  created_ms  INTEGER NOT NULL,
  next_ms     INTEGER NOT NULL,
  status      INTEGER, -- of DIMSE, where that was spoken
  cause       TEXT NOT NULL DEFAULT '',
  sop_uid     TEXT NOT NULL DEFAULT '', -- of the report that was delivered
  updated_ms  INTEGER NOT NULL,
  CHECK ((what = 'result') = (result_id IS NOT NULL))
);
INSERT INTO delivery (id, what, study_id, revision, result_id, destination, state, attempts, created_ms, next_ms,
  status, cause, sop_uid, updated_ms)
  SELECT d.id, 'result', r.study_id, r.revision, d.result_id, d.destination, d.state, d.attempts, r.created_ms,
    d.next_ms, d.status, d.cause, d.sop_uid, d.updated_ms
  FROM delivery_1 d JOIN result r ON r.id = d.result_id;
DROP TABLE delivery_1;
CREATE INDEX delivery_due ON delivery (destination, state, next_ms);
CREATE INDEX delivery_by_study ON delivery (study_id, revision);
CREATE UNIQUE INDEX delivery_of_result ON delivery (result_id, destination) WHERE what = 'result';
CREATE UNIQUE INDEX delivery_of_objects ON delivery (study_id, revision, destination) WHERE what = 'objects';

-- Routing. Of the jobs that wait, those of a higher priority are taken first.
ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
DROP INDEX job_by_state;
CREATE INDEX job_by_state ON job (state, priority DESC, attempts, id);

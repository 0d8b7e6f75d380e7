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

-- Keeping. A study may be withdrawn; kept is 1 while a file of an object that came is here.
CREATE TABLE study_2 (
  id              INTEGER PRIMARY KEY,
  study_uid       TEXT NOT NULL UNIQUE,
  patient_id      TEXT NOT NULL,
  issuer          TEXT NOT NULL,
  accession       TEXT NOT NULL,
  study_date      TEXT NOT NULL,
  description     TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN
    ('receiving', 'queued', 'encoding', 'encoded', 'delivered', 'declined', 'parked', 'undelivered', 'withdrawn')),
  reason          TEXT NOT NULL DEFAULT '',
  revision        INTEGER NOT NULL DEFAULT 1,
  raised          INTEGER NOT NULL DEFAULT 0, -- by an object in this round of receiving
  forced          INTEGER NOT NULL DEFAULT 0,
  started_by      TEXT NOT NULL DEFAULT '',
  first_object_ms INTEGER NOT NULL,
  last_object_ms  INTEGER NOT NULL,
  receiving_ms    INTEGER NOT NULL,
  kept            INTEGER NOT NULL DEFAULT 0
);
INSERT INTO study_2 (id, study_uid, patient_id, issuer, accession, study_date, description, state, reason, revision,
  raised, forced, started_by, first_object_ms, last_object_ms, receiving_ms, kept)
  SELECT id, study_uid, patient_id, issuer, accession, study_date, description, state, reason, revision,
    raised, forced, started_by, first_object_ms, last_object_ms, receiving_ms, 1 FROM study;
DROP TABLE study;
ALTER TABLE study_2 RENAME TO study;
CREATE INDEX study_by_state ON study (state, last_object_ms);
CREATE INDEX study_by_accession ON study (accession);
CREATE INDEX study_by_patient ON study (patient_id);
CREATE INDEX study_kept ON study (last_object_ms) WHERE kept = 1;

-- gone: its file was given up, by retention or for good. The row stays.
ALTER TABLE instance ADD COLUMN gone TEXT NOT NULL DEFAULT '' CHECK (gone IN ('', 'dropped', 'withdrawn'));
ALTER TABLE report ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
-- Files that were given up and may still lie there.
CREATE TABLE removal (path TEXT PRIMARY KEY) WITHOUT ROWID;
-- One row: what the objects that are here take.
CREATE TABLE spool_use (bytes INTEGER NOT NULL);
INSERT INTO spool_use SELECT coalesce(sum(size_bytes), 0) FROM instance;
CREATE TRIGGER instance_came AFTER INSERT ON instance BEGIN
  UPDATE spool_use SET bytes = bytes + new.size_bytes;
  UPDATE study SET kept = 1 WHERE id = new.study_id AND kept = 0;
END;
CREATE TRIGGER instance_given_up AFTER UPDATE OF gone ON instance WHEN old.gone = '' AND new.gone <> '' BEGIN
  UPDATE spool_use SET bytes = bytes - old.size_bytes;
  INSERT INTO removal (path) VALUES (new.path) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER instance_came_again AFTER UPDATE OF gone ON instance WHEN old.gone <> '' AND new.gone = '' BEGIN
  UPDATE spool_use SET bytes = bytes + new.size_bytes;
  UPDATE study SET kept = 1 WHERE id = new.study_id AND kept = 0;
  DELETE FROM removal WHERE path = new.path;
END;
CREATE TRIGGER report_given_up AFTER UPDATE OF gone ON report WHEN old.gone = 0 AND new.gone = 1 BEGIN
  INSERT INTO removal (path) VALUES (new.path) ON CONFLICT DO NOTHING;
END;

-- Withdrawal: who took what back, and when. It stays. The study may not have come yet.
CREATE TABLE withdrawal (
  id         INTEGER PRIMARY KEY,
  study_uid  TEXT NOT NULL,
  patient_id TEXT NOT NULL, -- the note's, or the study's
  at_ms      INTEGER NOT NULL,
  via        TEXT NOT NULL CHECK (via IN ('rejection_note', 'purged')),
  code       TEXT NOT NULL, -- of the note's title
  reason     TEXT NOT NULL,
  who        TEXT NOT NULL, -- AE title, or the token's digest
  address    TEXT NOT NULL,
  said_by    TEXT NOT NULL, -- as they call themselves
  note_uid   TEXT NOT NULL,
  whole      INTEGER NOT NULL DEFAULT 0, -- the study, not only objects of it
  objects    INTEGER NOT NULL DEFAULT 0  -- that were here
);
CREATE INDEX withdrawal_by_study ON withdrawal (study_uid);
-- Objects that must not be used, whether they are here, were, or come later.
CREATE TABLE withdrawn_object (
  study_uid     TEXT NOT NULL,
  sop_uid       TEXT NOT NULL,
  patient_id    TEXT NOT NULL, -- a note of another patient's says nothing
  withdrawal_id INTEGER NOT NULL REFERENCES withdrawal (id),
  PRIMARY KEY (study_uid, sop_uid, patient_id)
) WITHOUT ROWID;

-- Completeness. expected: what the peers that sent a study expect of it and what of it had come, in words, when
-- the revision was started; expected_missing: not all of it. stated_*: (0020,1206) and (0020,1208), the largest.
ALTER TABLE study ADD COLUMN expected TEXT NOT NULL DEFAULT '';
ALTER TABLE study ADD COLUMN expected_missing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE study ADD COLUMN stated_series INTEGER NOT NULL DEFAULT 0;
ALTER TABLE study ADD COLUMN stated_objects INTEGER NOT NULL DEFAULT 0;
CREATE TABLE study_source (
  study_id INTEGER NOT NULL REFERENCES study (id),
  peer     TEXT NOT NULL, -- the name of its section
  PRIMARY KEY (study_id, peer)
) WITHOUT ROWID;

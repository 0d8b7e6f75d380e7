-- Studies on their way from arrival to delivery. Times are milliseconds since 1970, UTC.
-- The file is the truth, the row is the index: paths are relative to the state folder.

CREATE TABLE study (
  id              INTEGER PRIMARY KEY,
  study_uid       TEXT NOT NULL UNIQUE,
  patient_id      TEXT NOT NULL,
  issuer          TEXT NOT NULL,
  accession       TEXT NOT NULL,
  study_date      TEXT NOT NULL,
  description     TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN
    ('receiving', 'queued', 'encoding', 'encoded', 'delivered', 'declined', 'parked', 'undelivered')),
  reason          TEXT NOT NULL DEFAULT '',
  revision        INTEGER NOT NULL DEFAULT 1,
  raised          INTEGER NOT NULL DEFAULT 0, -- by an object in this round of receiving
  forced          INTEGER NOT NULL DEFAULT 0,
  started_by      TEXT NOT NULL DEFAULT '',
  first_object_ms INTEGER NOT NULL,
  last_object_ms  INTEGER NOT NULL,
  receiving_ms    INTEGER NOT NULL
);
CREATE INDEX study_by_state ON study (state, last_object_ms);
CREATE INDEX study_by_accession ON study (accession);
CREATE INDEX study_by_patient ON study (patient_id);

CREATE TABLE series (
  id             INTEGER PRIMARY KEY,
  study_id       INTEGER NOT NULL REFERENCES study (id),
  series_uid     TEXT NOT NULL,
  modality       TEXT NOT NULL,
  number         INTEGER NOT NULL,
  description    TEXT NOT NULL,
  last_object_ms INTEGER NOT NULL,
  UNIQUE (study_id, series_uid)
);

-- kind: input feeds the encoder, other is kept beside it, own is a report of ours that came back.
-- One SOP Instance UID with different data sets has one row each; only the newest is current.
CREATE TABLE instance (
  id              INTEGER PRIMARY KEY,
  study_id        INTEGER NOT NULL REFERENCES study (id),
  series_id       INTEGER NOT NULL REFERENCES series (id),
  sop_uid         TEXT NOT NULL,
  sop_class       TEXT NOT NULL,
  transfer_syntax TEXT NOT NULL,
  kind            TEXT NOT NULL CHECK (kind IN ('input', 'other', 'own')),
  modality        TEXT NOT NULL,
  data_sha256     TEXT NOT NULL,
  path            TEXT NOT NULL UNIQUE,
  size_bytes      INTEGER NOT NULL,
  current         INTEGER NOT NULL DEFAULT 1,
  lost            INTEGER NOT NULL DEFAULT 0,
  received_ms     INTEGER NOT NULL,
  peer_ae         TEXT NOT NULL,
  peer_address    TEXT NOT NULL,
  UNIQUE (study_id, sop_uid, data_sha256)
);
CREATE INDEX instance_by_series ON instance (series_id);

-- model is '' for the job that only says why nothing was analysed.
CREATE TABLE job (
  id           INTEGER PRIMARY KEY,
  study_id     INTEGER NOT NULL REFERENCES study (id),
  revision     INTEGER NOT NULL,
  model        TEXT NOT NULL,
  live         INTEGER NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'superseded')),
  attempts     INTEGER NOT NULL DEFAULT 0,
  reason       TEXT NOT NULL DEFAULT '',
  lease_ms     INTEGER NOT NULL DEFAULT 0,
  created_ms   INTEGER NOT NULL,
  UNIQUE (study_id, revision, model)
);
CREATE INDEX job_by_state ON job (state, id);

CREATE TABLE result (
  id          INTEGER PRIMARY KEY,
  job_id      INTEGER NOT NULL UNIQUE REFERENCES job (id),
  study_id    INTEGER NOT NULL REFERENCES study (id),
  revision    INTEGER NOT NULL,
  model       TEXT NOT NULL,
  analysed    INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  json        TEXT NOT NULL,
  created_ms  INTEGER NOT NULL
);
CREATE INDEX result_by_study ON result (study_id, revision);

-- Unit vectors, float32 of this machine. organ is '' for the whole study's; one that was not assessed has none.
CREATE TABLE embedding (
  id          INTEGER PRIMARY KEY,
  result_id   INTEGER NOT NULL REFERENCES result (id),
  organ       TEXT NOT NULL,
  vector      BLOB NOT NULL,
  UNIQUE (result_id, organ)
);

CREATE TABLE finding (
  id          INTEGER PRIMARY KEY,
  result_id   INTEGER NOT NULL REFERENCES result (id),
  label       TEXT NOT NULL,
  state       TEXT NOT NULL,
  score       REAL,
  probability REAL,
  UNIQUE (result_id, label)
);
CREATE INDEX finding_by_label ON finding (label, state);

-- A fallback to another SR class is another SOP Instance: its own row, of the same result.
CREATE TABLE report (
  id          INTEGER PRIMARY KEY,
  result_id   INTEGER NOT NULL REFERENCES result (id),
  sop_class   TEXT NOT NULL,
  sop_uid     TEXT NOT NULL UNIQUE,
  series_uid  TEXT NOT NULL,
  path        TEXT NOT NULL UNIQUE,
  sha256      TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  UNIQUE (result_id, sop_class)
);

CREATE TABLE delivery (
  id          INTEGER PRIMARY KEY,
  result_id   INTEGER NOT NULL REFERENCES result (id),
  destination TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'parked')),
  attempts    INTEGER NOT NULL DEFAULT 0,
  next_ms     INTEGER NOT NULL,
  status      INTEGER,
  cause       TEXT NOT NULL DEFAULT '',
  sop_uid     TEXT NOT NULL DEFAULT '',
  updated_ms  INTEGER NOT NULL,
  UNIQUE (result_id, destination)
);
CREATE INDEX delivery_due ON delivery (destination, state, next_ms);

-- Which SR class a destination took last: no result is ever stored there in two classes.
CREATE TABLE destination (
  name      TEXT PRIMARY KEY,
  sop_class TEXT NOT NULL
);

CREATE TABLE event (
  id       INTEGER PRIMARY KEY,
  study_id INTEGER NOT NULL REFERENCES study (id),
  at_ms    INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  detail   TEXT NOT NULL
);
CREATE INDEX event_by_study ON event (study_id, id);

CREATE TABLE refusal (
  id           INTEGER PRIMARY KEY,
  at_ms        INTEGER NOT NULL,
  peer_ae      TEXT NOT NULL,
  peer_address TEXT NOT NULL,
  study_uid    TEXT NOT NULL,
  sop_class    TEXT NOT NULL,
  sop_uid      TEXT NOT NULL,
  status       TEXT NOT NULL,
  cause        TEXT NOT NULL
);
CREATE INDEX refusal_by_time ON refusal (at_ms);

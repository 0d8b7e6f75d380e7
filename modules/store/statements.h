/* The closed set of statements. All are prepared when the store opens, so a schema that does not fit them is
 * found then. S(name, sql) */
// clang-format off
S(BEGIN, "BEGIN IMMEDIATE")
S(COMMIT, "COMMIT")
S(ROLLBACK, "ROLLBACK")

S(STUDY_BY_UID, "SELECT id, patient_id, state, revision, reason FROM study WHERE study_uid = ?1")
S(STUDY_ADD, "INSERT INTO study (study_uid, patient_id, issuer, accession, study_date, description, state,"
  " first_object_ms, last_object_ms, receiving_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'receiving', ?7, ?7, ?7)")
S(STUDY_TOUCH, "UPDATE study SET last_object_ms = max(last_object_ms, ?2) WHERE id = ?1")
S(STUDY_REOPEN, "UPDATE study SET state = 'receiving', reason = '', revision = revision + 1, raised = 1,"
  " forced = 0, started_by = '', expected = '', expected_missing = 0, receiving_ms = ?2 WHERE id = ?1")
S(STUDY_RAISE, "UPDATE study SET revision = revision + 1, raised = 1 WHERE id = ?1 AND raised = 0")
S(STUDY_STATE, "SELECT state, revision FROM study WHERE id = ?1")
S(STUDY_SET_STATE, "UPDATE study SET state = ?2, reason = ?3 WHERE id = ?1")
S(STUDY_START, "UPDATE study SET state = ?3, reason = ?4, started_by = ?5, expected = ?6, expected_missing = ?7,"
  " forced = 0, raised = 0 WHERE id = ?1 AND revision = ?2 AND state = 'receiving' AND (?8 < 0 OR last_object_ms = ?8)")
S(STUDY_WAIT, "UPDATE study SET state = 'queued' WHERE state = 'encoding' AND NOT EXISTS (SELECT 1 FROM job j"
  " WHERE j.study_id = study.id AND j.revision = study.revision AND j.state = 'running')")
S(STUDY_FORCE, "UPDATE study SET forced = 1 WHERE id = ?1")
S(STUDY_RECEIVING, "SELECT id, revision, forced, receiving_ms, last_object_ms, (SELECT coalesce(max(r.last_object_ms), 0)"
  " FROM series r WHERE r.study_id = s.id AND r.last_object_ms <= ?2), stated_series, stated_objects, study_date, study_uid"
  " FROM study s WHERE state = 'receiving' AND id > ?1 ORDER BY id")
S(STUDY_STATED, "UPDATE study SET stated_series = max(stated_series, ?2), stated_objects = max(stated_objects, ?3)"
  " WHERE id = ?1")
S(SOURCE_ADD, "INSERT INTO study_source (study_id, peer) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
S(SOURCE_OF, "SELECT peer FROM study_source WHERE study_id = ?1 ORDER BY peer")

S(SERIES_ADD, "INSERT INTO series (study_id, series_uid, modality, number, description, last_object_ms)"
  " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (study_id, series_uid)"
  " DO UPDATE SET last_object_ms = max(last_object_ms, excluded.last_object_ms) RETURNING id")
S(SERIES_INPUT, "SELECT r.series_uid, r.modality, r.description, count(*), sum(i.gone = 'dropped')"
  " FROM series r JOIN instance i"
  " ON i.series_id = r.id WHERE r.study_id = ?1 AND i.kind = 'input' AND i.current = 1"
  " GROUP BY r.id ORDER BY r.number, r.series_uid")

S(INSTANCE_FIND, "SELECT data_sha256 = ?3 FROM instance WHERE study_id = ?1 AND sop_uid = ?2"
  " ORDER BY data_sha256 = ?3 DESC LIMIT 1")
S(INSTANCE_AGE, "UPDATE instance SET current = 0 WHERE study_id = ?1 AND sop_uid = ?2")
S(INSTANCE_AGE_OTHERS, "UPDATE instance SET current = 0 WHERE study_id = ?1 AND sop_uid = ?2"
  " AND data_sha256 <> ?3 AND current = 1")
S(INSTANCE_RENEW, "UPDATE instance SET lost = 0, current = 1 WHERE study_id = ?1 AND sop_uid = ?2"
  " AND data_sha256 = ?3 AND (lost = 1 OR current = 0)")
S(INSTANCE_ADD, "INSERT INTO instance (study_id, series_id, sop_uid, sop_class, transfer_syntax, kind, modality,"
  " data_sha256, path, size_bytes, received_ms, peer_ae, peer_address)"
  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)")
S(INSTANCE_PATH, "SELECT 1 FROM instance WHERE path = ?1 AND lost = 0 AND current = 1 AND gone = ''")
S(INSTANCE_ANY_PATH, "SELECT 1 FROM instance WHERE path = ?1 AND gone = ''")
S(INSTANCE_FILES, "SELECT id, path, lost FROM instance WHERE id > ?1 AND gone = '' ORDER BY id LIMIT 1000")
S(INSTANCE_SET_LOST, "UPDATE instance SET lost = ?2 WHERE id = ?1")
S(INSTANCE_INPUTS, "SELECT i.path, i.sop_class, i.sop_uid, r.series_uid FROM instance i JOIN series r"
  " ON r.id = i.series_id WHERE i.study_id = ?1 AND i.kind = 'input' AND i.current = 1 AND i.lost = 0 AND i.gone = ''"
  " ORDER BY r.number, r.series_uid, i.sop_uid")
S(INSTANCE_TOTAL, "SELECT count(DISTINCT series_id), count(*) FROM instance WHERE study_id = ?1 AND current = 1")
S(INSTANCE_COUNTS, "SELECT sum(kind = 'input' AND current = 1 AND lost = 1 AND gone = ''), sum(kind <> 'input')"
  " FROM instance WHERE study_id = ?1")

S(ROUTE_STUDY, "SELECT description, revision FROM study WHERE id = ?1")
S(ROUTE_SERIES, "SELECT r.modality, r.description, i.peer_ae, i.path, min(i.id) FROM instance i JOIN series r"
  " ON r.id = i.series_id WHERE i.study_id = ?1 AND i.kind <> 'own' AND i.current = 1 AND i.lost = 0"
  " GROUP BY r.id, i.peer_ae ORDER BY r.number, r.series_uid, i.peer_ae LIMIT 1000")
S(ORIGINALS, "SELECT id, path, sop_class, transfer_syntax, size_bytes FROM instance WHERE study_id = ?1 AND kind <> 'own'"
  " AND current = 1 AND gone = '' AND id > ?2 ORDER BY id LIMIT ?3")
S(ORIGINAL_KINDS, "SELECT min(id), path, sop_class, transfer_syntax, size_bytes FROM instance WHERE study_id = ?1"
  " AND kind <> 'own' AND current = 1 AND gone = '' AND id > ?2 GROUP BY sop_class, transfer_syntax ORDER BY 1")

S(REFUSAL_ADD, "INSERT INTO refusal (at_ms, peer_ae, peer_address, study_uid, sop_class, sop_uid, status, cause)"
  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
S(REFUSAL_FORGET, "DELETE FROM refusal WHERE at_ms < ?1")

S(JOB_ADD, "INSERT INTO job (study_id, revision, model, live, state, reason, created_ms, priority)"
  " VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6, ?7)")
S(JOB_SUPERSEDE, "UPDATE job SET state = 'superseded' WHERE study_id = ?1 AND revision < ?2 AND state = 'queued'")
S(JOB_NEXT, "SELECT j.id, j.study_id, j.revision, j.attempts, j.live, j.model, j.reason, s.started_by,"
  " s.study_uid, s.revision, s.expected, s.expected_missing FROM job j JOIN study s ON s.id = j.study_id WHERE j.state = 'queued'"
  " AND NOT EXISTS (SELECT 1 FROM job k WHERE k.study_id = j.study_id AND k.model = j.model AND k.state = 'running')"
  " ORDER BY j.priority DESC, j.attempts, j.id LIMIT 1")
S(JOB_SET_STATE, "UPDATE job SET state = ?2, reason = ?3, lease_ms = ?4 WHERE id = ?1")
S(JOB_RETURN, "UPDATE job SET state = 'queued', attempts = attempts + 1, reason = ?2 WHERE id = ?1"
  " AND state = 'running'")
S(JOB_RELEASE, "UPDATE job SET state = 'queued' WHERE id = ?1 AND state = 'running'")
S(JOB_RUNS, "SELECT 1 FROM job WHERE id = ?1 AND state = 'running'")
S(JOB_RENEW, "UPDATE job SET lease_ms = ?2 WHERE id = ?1 AND state = 'running'")
S(JOB_FINISH, "UPDATE job SET state = ?2, reason = ?3, attempts = attempts + ?4 WHERE id = ?1 AND state = 'running'")
S(JOB_REQUEUE, "UPDATE job SET state = 'queued' WHERE state = 'running'")
S(JOB_OVERDUE, "UPDATE job SET state = 'queued' WHERE state = 'running' AND lease_ms < ?1")
S(JOB_SUMMARY, "SELECT sum(j.state = 'queued'), sum(j.state = 'running'), sum(j.state = 'failed'),"
  " coalesce(max(r.analysed), 0), coalesce(max(CASE WHEN j.state = 'failed' THEN j.reason END), ''),"
  " coalesce(max(CASE WHEN r.analysed = 0 THEN r.reason END), ''),"
  " coalesce(min(CASE WHEN r.analysed = 1 THEN r.reason END), '')"
  " FROM job j LEFT JOIN result r ON r.job_id = j.id WHERE j.study_id = ?1 AND j.revision = ?2")

S(RESULT_ADD, "INSERT INTO result (job_id, study_id, revision, model, analysed, reason, json, created_ms)"
  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
S(RESULT_JSON, "SELECT json FROM result WHERE id = ?1")
S(EMBEDDING_ADD, "INSERT INTO embedding (result_id, organ, vector) VALUES (?1, ?2, ?3)")
S(FINDING_ADD, "INSERT INTO finding (result_id, label, state, score, probability) VALUES (?1, ?2, ?3, ?4, ?5)")
S(REPORT_ADD, "INSERT INTO report (result_id, sop_class, sop_uid, series_uid, path, sha256, created_ms)"
  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
S(REPORT_ADD_COPY, "INSERT INTO report (result_id, sop_class, sop_uid, series_uid, path, sha256, created_ms)"
  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (result_id, sop_class) DO NOTHING")
S(REPORT_PATH, "SELECT 1 FROM report WHERE path = ?1 AND gone = 0")
S(REPORT_OWN, "SELECT 1 FROM report WHERE sop_uid = ?1")
S(REPORT_FIND, "SELECT sop_class, sop_uid, series_uid, path, sha256 FROM report WHERE result_id = ?1"
  " AND (sop_class = ?2 OR ?2 = '') ORDER BY id LIMIT 1")
S(REPORT_BEFORE, "SELECT p.sop_class, p.sop_uid, p.series_uid FROM report p JOIN result r ON r.id = p.result_id"
  " WHERE r.study_id = ?1 AND r.model = ?2 AND r.revision < ?3 ORDER BY r.revision DESC, p.id LIMIT 1")

S(DELIVERY_ADD, "INSERT INTO delivery (what, study_id, revision, result_id, destination, state, created_ms, next_ms,"
  " updated_ms, priority) VALUES ('result', ?1, ?2, ?3, ?4, 'pending', ?5, ?5, ?5, ?6)")
S(DELIVERY_ADD_OBJECTS, "INSERT INTO delivery (what, study_id, revision, destination, state, created_ms, next_ms,"
  " updated_ms) VALUES ('objects', ?1, ?2, ?3, 'pending', ?4, ?4, ?4) ON CONFLICT DO NOTHING")
S(DELIVERY_DUE, "SELECT d.id, coalesce(d.result_id, 0), d.study_id, d.attempts, coalesce(t.sop_class, ''), d.what,"
  " d.revision, d.sent_upto FROM delivery d LEFT JOIN result r ON r.id = d.result_id LEFT JOIN destination t"
  " ON t.name = d.destination WHERE d.destination = ?1 AND d.state = 'pending'"
  " AND (d.next_ms <= ?2 OR d.next_ms > ?2 + 604800000)"
  " AND NOT EXISTS (SELECT 1 FROM delivery e LEFT JOIN result q ON q.id = e.result_id"
  " WHERE e.destination = d.destination AND e.state = 'pending' AND e.id < d.id AND e.study_id = d.study_id"
  " AND e.what = d.what AND q.model IS r.model) ORDER BY d.priority DESC, d.next_ms, d.id LIMIT 1")
S(DELIVERY_DESTINATIONS, "SELECT DISTINCT destination FROM delivery WHERE state = 'pending'")
S(DELIVERY_SET, "UPDATE delivery SET state = ?2, attempts = attempts + 1, next_ms = ?3, status = ?4, cause = ?5,"
  " sop_uid = ?6, updated_ms = ?7 WHERE id = ?1"
  " AND (state = 'pending' OR (state = 'withdrawn' AND ?2 = 'delivered'))") /* what had left already did arrive */
S(DELIVERY_REQUEUE, "UPDATE delivery SET state = 'pending', next_ms = ?2, updated_ms = ?2 WHERE id = ?1"
  " AND state IN ('pending', 'parked')")
S(DELIVERY_SUPERSEDE, "UPDATE delivery SET state = 'withdrawn', updated_ms = ?2, cause = 'superseded by a newer result'"
  " WHERE state IN ('pending', 'parked') AND id IN (SELECT o.id FROM delivery n JOIN delivery o"
  " ON o.study_id = n.study_id AND o.destination = n.destination AND o.revision < n.revision AND o.what = 'result'"
  " JOIN result q ON q.id = o.result_id JOIN result r ON r.id = n.result_id WHERE n.id = ?1 AND q.model = r.model)")
S(DELIVERY_STUDY, "SELECT study_id FROM delivery WHERE id = ?1")
S(DELIVERY_SUMMARY, "SELECT coalesce(sum(what = 'result'), 0), coalesce(sum(state = 'pending'), 0),"
  " coalesce(sum(state = 'parked'), 0),"
  " coalesce(max(CASE WHEN state = 'parked' THEN destination || ': ' || cause END), '')"
  " FROM delivery WHERE study_id = ?1 AND revision = ?2")
S(DELIVERY_SENT, "SELECT max(sent_upto) FROM delivery WHERE study_id = ?1 AND destination = ?2 AND what = 'objects'")
S(DELIVERY_SET_SENT, "UPDATE delivery SET sent_upto = ?2 WHERE id = ?1")
S(DELIVERY_NEXT_PARKED, "SELECT id FROM delivery WHERE state = 'parked' AND destination = ?1 AND id > ?2 ORDER BY id"
  " LIMIT 1")
S(DESTINATION_SET, "INSERT INTO destination (name, sop_class) VALUES (?1, ?2) ON CONFLICT (name)"
  " DO UPDATE SET sop_class = excluded.sop_class")

/* A study that waits for nothing: no job, no delivery, no model that will open again, no object to come again. */
#define FINISHED "s.state IN ('delivered', 'declined', 'encoded', 'withdrawn') AND NOT (s.state = 'declined'" \
  " AND s.reason IN ('model_unavailable', 'model_not_configured', 'pixels_dropped'))" \
  " AND NOT EXISTS (SELECT 1 FROM job j WHERE j.study_id = s.id AND j.state IN ('queued', 'running'))" \
  " AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.study_id = s.id AND d.state IN ('pending', 'parked'))"
/* Retention. ?1: no object came since; ?2: the same of a study that was delivered, and nothing left since. */
S(KEEP_NEXT, "SELECT s.id, s.study_uid, s.last_object_ms FROM study s INDEXED BY study_kept WHERE s.kept = 1"
  " AND s.last_object_ms < max(?1, ?2) AND " FINISHED " AND (s.last_object_ms < ?1"
  " OR ?2 > (SELECT max(d.updated_ms) FROM delivery d WHERE d.study_id = s.id)) ORDER BY s.last_object_ms, s.id")
S(KEEP_MAY_DROP, "SELECT 1 FROM study s WHERE s.id = ?1 AND s.last_object_ms = ?2 AND " FINISHED)
S(KEEP_DROP, "UPDATE instance SET gone = 'dropped' WHERE id IN (SELECT id FROM instance WHERE study_id = ?1"
  " AND gone = '' ORDER BY id LIMIT ?2)")
S(KEEP_DROPPED, "SELECT count(*), coalesce(sum(size_bytes), 0) FROM instance WHERE study_id = ?1 AND gone = 'dropped'")
S(KEEP_DONE, "UPDATE study SET kept = 0 WHERE id = ?1")
S(KEEP_RESTORE, "UPDATE instance SET gone = '', lost = 0, received_ms = ?4 WHERE study_id = ?1 AND sop_uid = ?2"
  " AND data_sha256 = ?3 AND gone = 'dropped'")
S(KEEP_USED, "SELECT bytes FROM spool_use")
S(REMOVAL_NEXT, "SELECT path FROM removal ORDER BY path LIMIT ?1")
S(REMOVAL_ASK, "SELECT 1 FROM removal WHERE path = ?1")
S(REMOVAL_DONE, "DELETE FROM removal WHERE path = ?1")

S(WITHDRAWAL_ADD, "INSERT INTO withdrawal (study_uid, patient_id, at_ms, via, code, reason, who, address, said_by,"
  " note_uid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
S(WITHDRAWAL_SET, "UPDATE withdrawal SET whole = ?2, objects = ?3 WHERE id = ?1")
S(WITHDRAWAL_DROP, "DELETE FROM withdrawal WHERE id = ?1")
S(WITHDRAWN_ADD, "INSERT INTO withdrawn_object (study_uid, sop_uid, patient_id, withdrawal_id) VALUES (?1, ?2, ?3, ?4)"
  " ON CONFLICT DO NOTHING")
S(WITHDRAWN_ADD_ALL, "INSERT INTO withdrawn_object (study_uid, sop_uid, patient_id, withdrawal_id)"
  " SELECT ?1, sop_uid, ?2, ?3 FROM instance WHERE study_id = ?4 AND kind <> 'own' ON CONFLICT DO NOTHING")
S(WITHDRAWN_ASK, "SELECT 1 FROM withdrawn_object WHERE study_uid = ?1 AND sop_uid = ?2 AND patient_id = ?3")
#define NAMED "sop_uid IN (SELECT sop_uid FROM withdrawn_object WHERE study_uid = ?2 AND patient_id = ?3)"
S(WITHDRAWN_INPUTS, "SELECT coalesce(sum(" NAMED "), 0), coalesce(sum(modality <> 'SEG' AND " NAMED "), 0),"
  " coalesce(sum(modality <> 'SEG'), 0) FROM instance WHERE study_id = ?1 AND kind = 'input' AND current = 1"
  " AND gone <> 'withdrawn'")
S(WITHDRAWN_NAMED, "UPDATE instance SET gone = 'withdrawn', current = 0 WHERE study_id = ?1 AND gone <> 'withdrawn'"
  " AND " NAMED)
#undef NAMED
S(WITHDRAWN_OWN, "UPDATE instance SET gone = 'withdrawn', current = 0 WHERE study_id = ?1 AND gone <> 'withdrawn'"
  " AND kind = 'own'")
S(WITHDRAW_STUDY, "UPDATE study SET state = 'withdrawn', reason = ?2, forced = 0 WHERE id = ?1")
S(WITHDRAW_JOBS, "UPDATE job SET state = 'superseded', reason = 'withdrawn' WHERE study_id = ?1"
  " AND state IN ('queued', 'running')")
S(WITHDRAW_DELIVERIES, "UPDATE delivery SET state = 'withdrawn', cause = 'the study was withdrawn', updated_ms = ?2"
  " WHERE study_id = ?1 AND state IN ('pending', 'parked')")
S(WITHDRAW_DELIVERED, "SELECT count(*) FROM delivery WHERE study_id = ?1 AND state = 'delivered'")
S(WITHDRAW_RESULTS, "UPDATE result SET json = '{\"withdrawn\":true}', reason = 'withdrawn' WHERE study_id = ?1")
S(WITHDRAW_EMBEDDINGS, "DELETE FROM embedding WHERE result_id IN (SELECT id FROM result WHERE study_id = ?1)")
S(WITHDRAW_FINDINGS, "DELETE FROM finding WHERE result_id IN (SELECT id FROM result WHERE study_id = ?1)")
S(WITHDRAW_REPORTS, "UPDATE report SET gone = 1 WHERE result_id IN (SELECT id FROM result WHERE study_id = ?1)")
S(VIEW_WITHDRAWALS, "SELECT w.at_ms, w.via, w.code, w.reason, w.who, w.address, w.said_by, w.note_uid, w.whole,"
  " w.objects FROM withdrawal w JOIN study s ON s.study_uid = w.study_uid WHERE s.id = ?1 ORDER BY w.id")

S(EVENT_ADD, "INSERT INTO event (study_id, at_ms, kind, detail) VALUES (?1, ?2, ?3, ?4)")

S(VIEW_STUDIES, "SELECT s.id, s.study_uid, s.patient_id, s.accession, s.study_date, s.description, s.state,"
  " s.reason, s.revision, s.started_by, s.first_object_ms, s.last_object_ms,"
  " (SELECT count(*) FROM instance i WHERE i.study_id = s.id) AS objects FROM study s"
  " WHERE (?1 = '' OR s.accession = ?1) AND (?2 = '' OR s.patient_id = ?2) AND (?3 = '' OR s.study_uid = ?3)"
  " AND (?4 = '' OR s.state = ?4) AND s.last_object_ms >= ?5 ORDER BY s.last_object_ms DESC, s.id DESC LIMIT ?6")
S(VIEW_STUDY, "SELECT id, study_uid, patient_id, issuer, accession, study_date, description, state, reason,"
  " revision, started_by, expected, expected_missing, forced, stated_series, stated_objects, first_object_ms,"
  " last_object_ms, receiving_ms FROM study WHERE id = ?1")
S(VIEW_OBJECTS, "SELECT count(*) AS total, coalesce(sum(kind = 'input'), 0) AS input,"
  " coalesce(sum(kind = 'other'), 0) AS other, coalesce(sum(kind = 'own'), 0) AS own,"
  " coalesce(sum(current = 0 AND gone <> 'withdrawn'), 0) AS replaced,"
  " coalesce(sum(lost = 1 AND gone = ''), 0) AS lost, coalesce(sum(gone = 'dropped'), 0) AS dropped,"
  " coalesce(sum(gone = 'withdrawn'), 0) AS withdrawn FROM instance WHERE study_id = ?1")
S(VIEW_SERIES, "SELECT r.series_uid, r.modality, r.number, r.description, count(i.id) AS objects,"
  " coalesce(sum(i.kind = 'input' AND i.current = 1), 0) AS input, r.last_object_ms FROM series r LEFT JOIN"
  " instance i ON i.series_id = r.id WHERE r.study_id = ?1 GROUP BY r.id ORDER BY r.number, r.series_uid")
S(VIEW_JOBS, "SELECT id, revision, model, live, priority, state, attempts, reason, created_ms FROM job WHERE study_id = ?1"
  " ORDER BY id")
S(VIEW_RESULTS, "SELECT r.id, r.revision, r.model, r.analysed, r.reason, r.json, r.created_ms, p.sop_uid AS sr_sop_uid,"
  " p.sop_class AS sr_sop_class, p.series_uid AS sr_series_uid FROM result r LEFT JOIN report p ON p.id ="
  " (SELECT min(id) FROM report WHERE result_id = r.id) WHERE r.study_id = ?1 AND r.reason <> 'withdrawn'"
  " ORDER BY r.revision DESC, r.id DESC")
S(VIEW_DELIVERIES, "SELECT d.id, d.what, d.revision, r.model, d.destination, d.state, d.attempts, d.next_ms,"
  " d.status, d.cause, d.sop_uid, d.updated_ms FROM delivery d LEFT JOIN result r ON r.id = d.result_id"
  " WHERE d.study_id = ?1 ORDER BY d.id")
S(VIEW_DELIVERY, "SELECT id, destination, state FROM delivery WHERE id = ?1")
S(VIEW_PARKED, "SELECT d.id, d.study_id AS study, s.study_uid, d.what, d.revision, coalesce(r.model, '') AS model,"
  " d.destination, d.attempts, d.status, d.cause, d.updated_ms FROM delivery d JOIN study s ON s.id = d.study_id"
  " LEFT JOIN result r ON r.id = d.result_id WHERE d.state = 'parked' AND (?1 = '' OR d.destination = ?1)"
  " ORDER BY d.id LIMIT ?2")
S(VIEW_DESTINATIONS, "SELECT destination AS name, sum(state = 'pending') AS pending,"
  " sum(state = 'delivered') AS delivered, sum(state = 'parked') AS parked,"
  " (SELECT x.sop_class FROM destination x WHERE x.name = d.destination) AS sr_class"
  " FROM delivery d GROUP BY destination")
S(VIEW_EVENTS, "SELECT id, at_ms, kind, detail FROM event WHERE study_id = ?1 ORDER BY id")
S(VIEW_REFUSALS, "SELECT id, at_ms, peer_ae, peer_address, study_uid, sop_class, sop_uid, status, cause"
  " FROM refusal WHERE at_ms >= ?1 ORDER BY id DESC LIMIT ?2")
S(VIEW_REPORTS, "SELECT p.path, p.sop_uid, p.sop_class, p.sha256, r.revision, r.model FROM report p JOIN result r"
  " ON r.id = p.result_id WHERE r.study_id = ?1 AND p.gone = 0 ORDER BY r.revision DESC, p.id")
S(COUNT_STUDIES, "SELECT state, count(*) FROM study GROUP BY state")
S(COUNT_JOBS, "SELECT state, count(*) FROM job GROUP BY state")
S(COUNT_DELIVERIES, "SELECT state, count(*) FROM delivery GROUP BY state")
S(OLDEST_STUDIES, "SELECT state, min(last_object_ms) FROM study"
  " WHERE state IN ('receiving', 'queued', 'encoding', 'encoded') GROUP BY state")
S(OLDEST_JOBS, "SELECT state, min(created_ms) FROM job WHERE state IN ('queued', 'running') GROUP BY state")
S(OLDEST_DELIVERIES, "SELECT state, min(created_ms) FROM delivery WHERE state = 'pending' GROUP BY state")
#undef FINISHED
// clang-format on

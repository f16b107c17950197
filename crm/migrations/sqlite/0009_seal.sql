ALTER TABLE crm_log_head ADD COLUMN sealed INTEGER;
ALTER TABLE crm_log_head ADD COLUMN link BLOB;

CREATE TABLE crm_event_seal (
	tenant TEXT NOT NULL,
	position INTEGER NOT NULL,
	salt BLOB,
	link BLOB NOT NULL,
	erased TEXT,
	PRIMARY KEY (tenant, position)
) WITHOUT ROWID;

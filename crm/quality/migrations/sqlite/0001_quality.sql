CREATE TABLE crm_quality_rule (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	object TEXT NOT NULL, name TEXT NOT NULL, condition TEXT NOT NULL, severity TEXT NOT NULL,
	message TEXT, cure TEXT, field TEXT, off INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_quality_rule_updated ON crm_quality_rule (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_quality_rule_owner ON crm_quality_rule (tenant, owner_id);

CREATE TABLE crm_quality_standard (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	object TEXT NOT NULL, complete TEXT, fresh_days INTEGER NOT NULL, fresh_fields TEXT, source TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_quality_standard_object ON crm_quality_standard (tenant, object) WHERE deleted IS NULL;
CREATE INDEX crm_quality_standard_updated ON crm_quality_standard (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_quality_standard_owner ON crm_quality_standard (tenant, owner_id);

CREATE TABLE crm_quality_run (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	object TEXT NOT NULL, filter TEXT, changes TEXT, reason TEXT, state TEXT NOT NULL,
	changed_count INTEGER NOT NULL, refused_count INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_quality_run_updated ON crm_quality_run (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_quality_run_owner ON crm_quality_run (tenant, owner_id);

CREATE TABLE crm_quality_corrected (
	tenant TEXT NOT NULL, run_id BLOB NOT NULL, record_id BLOB NOT NULL, version INTEGER NOT NULL,
	settled INTEGER NOT NULL, restored INTEGER NOT NULL,
	PRIMARY KEY (tenant, run_id, record_id),
	FOREIGN KEY (tenant, run_id) REFERENCES crm_quality_run (tenant, id)
) WITHOUT ROWID;

CREATE TABLE crm_quality_snapshot (
	tenant TEXT NOT NULL, object TEXT NOT NULL, dimension TEXT NOT NULL, day TEXT NOT NULL, value TEXT NOT NULL,
	records INTEGER NOT NULL, score INTEGER NOT NULL, complete INTEGER NOT NULL, fresh INTEGER NOT NULL, valid INTEGER NOT NULL,
	errors INTEGER NOT NULL, warnings INTEGER NOT NULL, infos INTEGER NOT NULL,
	PRIMARY KEY (tenant, object, dimension, day, value)
) WITHOUT ROWID;

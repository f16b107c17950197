CREATE TABLE crm_segment (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	key TEXT NOT NULL, name TEXT NOT NULL, name_sort BLOB, kind TEXT NOT NULL, "where" TEXT, description TEXT, by_hand INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_segment_key ON crm_segment (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_segment_name ON crm_segment (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_segment_updated ON crm_segment (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_segment_owner ON crm_segment (tenant, owner_id);

CREATE TABLE crm_segment_roll (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	segment_id BLOB NOT NULL, evaluated INTEGER, entered INTEGER NOT NULL, "left" INTEGER NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, segment_id) REFERENCES crm_segment (tenant, id)
);
CREATE UNIQUE INDEX crm_segment_roll_of ON crm_segment_roll (tenant, segment_id) WHERE deleted IS NULL;
CREATE INDEX crm_segment_roll_segment ON crm_segment_roll (tenant, segment_id);
CREATE INDEX crm_segment_roll_updated ON crm_segment_roll (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_segment_roll_owner ON crm_segment_roll (tenant, owner_id);

CREATE TABLE crm_segment_member (
	tenant TEXT NOT NULL, segment_id BLOB NOT NULL, customer_id BLOB NOT NULL, since INTEGER NOT NULL, by_hand INTEGER NOT NULL,
	PRIMARY KEY (tenant, segment_id, customer_id),
	FOREIGN KEY (tenant, segment_id) REFERENCES crm_segment (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_segment_member_customer ON crm_segment_member (tenant, customer_id);

CREATE TABLE crm_segment_exclusion (
	tenant TEXT NOT NULL, segment_id BLOB NOT NULL, customer_id BLOB NOT NULL, since INTEGER NOT NULL,
	PRIMARY KEY (tenant, segment_id, customer_id),
	FOREIGN KEY (tenant, segment_id) REFERENCES crm_segment (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_segment_exclusion_customer ON crm_segment_exclusion (tenant, customer_id);

CREATE TABLE crm_segment_change (
	tenant TEXT NOT NULL, segment_id BLOB NOT NULL, batch INTEGER NOT NULL, customer_id BLOB NOT NULL,
	at INTEGER NOT NULL, entered INTEGER NOT NULL, by_hand INTEGER NOT NULL,
	PRIMARY KEY (tenant, segment_id, batch, customer_id),
	FOREIGN KEY (tenant, segment_id) REFERENCES crm_segment (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_segment_change_customer ON crm_segment_change (tenant, customer_id);

CREATE TABLE crm_segment_use (
	tenant TEXT NOT NULL, object TEXT NOT NULL, field TEXT NOT NULL, segment_id BLOB NOT NULL, way TEXT NOT NULL,
	PRIMARY KEY (tenant, object, field, segment_id, way)
) WITHOUT ROWID;
CREATE INDEX crm_segment_use_segment ON crm_segment_use (tenant, segment_id);

CREATE TABLE crm_segment_stale (
	tenant TEXT NOT NULL, segment_id BLOB NOT NULL, id BLOB NOT NULL, customer_id BLOB NOT NULL,
	PRIMARY KEY (tenant, segment_id, id)
) WITHOUT ROWID;

CREATE TABLE crm_audience (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	segment_id BLOB NOT NULL, name TEXT NOT NULL, taken INTEGER, members INTEGER NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, segment_id) REFERENCES crm_segment (tenant, id)
);
CREATE INDEX crm_audience_segment ON crm_audience (tenant, segment_id);
CREATE INDEX crm_audience_updated ON crm_audience (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_audience_owner ON crm_audience (tenant, owner_id);

CREATE TABLE crm_audience_member (
	tenant TEXT NOT NULL, audience_id BLOB NOT NULL, customer_id BLOB NOT NULL,
	PRIMARY KEY (tenant, audience_id, customer_id),
	FOREIGN KEY (tenant, audience_id) REFERENCES crm_audience (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_audience_member_customer ON crm_audience_member (tenant, customer_id);

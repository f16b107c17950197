ALTER TABLE crm_contact_point ADD COLUMN complained INTEGER;

CREATE TABLE crm_consent_topic (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT,
	channels TEXT,
	basis TEXT NOT NULL,
	double_opt_in INTEGER NOT NULL,
	valid_days INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_consent_topic_key ON crm_consent_topic (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_consent_topic_updated ON crm_consent_topic (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_consent_topic_owner ON crm_consent_topic (tenant, owner_id);

CREATE TABLE crm_consent_text (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	topic_id BLOB NOT NULL,
	language TEXT,
	number INTEGER NOT NULL,
	key TEXT NOT NULL,
	text TEXT NOT NULL,
	hash TEXT NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, topic_id) REFERENCES crm_consent_topic (tenant, id)
);
CREATE INDEX crm_consent_text_topic ON crm_consent_text (tenant, topic_id, updated, id);
CREATE UNIQUE INDEX crm_consent_text_key ON crm_consent_text (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_consent_text_updated ON crm_consent_text (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_consent_text_owner ON crm_consent_text (tenant, owner_id);

CREATE TABLE crm_consent (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	customer_id BLOB NOT NULL,
	channel TEXT NOT NULL,
	topic_id BLOB NOT NULL,
	topic TEXT NOT NULL,
	key TEXT NOT NULL,
	status TEXT,
	since INTEGER,
	basis TEXT,
	text_id BLOB,
	source TEXT,
	expires INTEGER,
	confirmed INTEGER,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id),
	FOREIGN KEY (tenant, topic_id) REFERENCES crm_consent_topic (tenant, id),
	FOREIGN KEY (tenant, text_id) REFERENCES crm_consent_text (tenant, id)
);
CREATE INDEX crm_consent_customer ON crm_consent (tenant, customer_id, updated, id);
CREATE INDEX crm_consent_by_topic ON crm_consent (tenant, topic_id, updated, id);
CREATE INDEX crm_consent_by_text ON crm_consent (tenant, text_id, updated, id);
CREATE UNIQUE INDEX crm_consent_key ON crm_consent (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_consent_expires ON crm_consent (tenant, expires, id) WHERE deleted IS NULL;
CREATE INDEX crm_consent_updated ON crm_consent (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_consent_owner ON crm_consent (tenant, owner_id);

CREATE TABLE crm_consent_entry (
	tenant TEXT NOT NULL,
	customer_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	n INTEGER NOT NULL,
	origin BLOB,
	parties TEXT,
	channel TEXT NOT NULL,
	topic TEXT NOT NULL,
	status TEXT NOT NULL,
	basis TEXT,
	text_id BLOB,
	text_hash TEXT,
	source TEXT NOT NULL,
	proof TEXT,
	ask_id BLOB,
	expires INTEGER,
	digest TEXT,
	PRIMARY KEY (tenant, customer_id, at, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_consent_entry_digest ON crm_consent_entry (tenant, digest, at, id);

CREATE TABLE crm_consent_trace (
	tenant TEXT NOT NULL,
	customer_id BLOB NOT NULL,
	entry_id BLOB NOT NULL,
	address TEXT,
	ip TEXT,
	user_agent TEXT,
	evidence TEXT,
	PRIMARY KEY (tenant, customer_id, entry_id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;

CREATE TABLE crm_suppression (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	customer_id BLOB NOT NULL,
	reason TEXT NOT NULL,
	channel TEXT,
	topic TEXT,
	key TEXT NOT NULL,
	source TEXT NOT NULL,
	note TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_suppression_customer ON crm_suppression (tenant, customer_id, updated, id);
CREATE UNIQUE INDEX crm_suppression_key ON crm_suppression (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_suppression_updated ON crm_suppression (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_suppression_owner ON crm_suppression (tenant, owner_id);

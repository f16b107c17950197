CREATE TABLE crm_behaviour (
	tenant TEXT NOT NULL,
	customer_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	unknown INTEGER NOT NULL,
	visitor TEXT,
	props TEXT,
	PRIMARY KEY (tenant, customer_id, at, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_behaviour_at ON crm_behaviour (tenant, at);

CREATE TABLE crm_anonymous_behaviour (
	tenant TEXT NOT NULL,
	visitor TEXT NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	unknown INTEGER NOT NULL,
	props TEXT,
	PRIMARY KEY (tenant, visitor, at, id)
) WITHOUT ROWID;
CREATE INDEX crm_anonymous_behaviour_at ON crm_anonymous_behaviour (tenant, at);

CREATE TABLE crm_visitor (
	tenant TEXT NOT NULL,
	visitor TEXT NOT NULL,
	customer_id BLOB NOT NULL,
	since INTEGER NOT NULL,
	PRIMARY KEY (tenant, visitor),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_visitor_customer ON crm_visitor (tenant, customer_id);

CREATE TABLE crm_behaviour_day (
	tenant TEXT NOT NULL,
	customer_id BLOB NOT NULL,
	day TEXT NOT NULL,
	name TEXT NOT NULL,
	n INTEGER NOT NULL,
	origin BLOB NOT NULL,
	PRIMARY KEY (tenant, customer_id, day, name, origin),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;

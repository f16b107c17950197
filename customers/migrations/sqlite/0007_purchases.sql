ALTER TABLE crm_customer ADD COLUMN purchase_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE crm_customer ADD COLUMN first_purchase INTEGER;
ALTER TABLE crm_customer ADD COLUMN last_purchase INTEGER;
ALTER TABLE crm_customer ADD COLUMN spent INTEGER;
ALTER TABLE crm_customer ADD COLUMN spent_currency TEXT;
ALTER TABLE crm_customer ADD COLUMN refunded INTEGER;
ALTER TABLE crm_customer ADD COLUMN refunded_currency TEXT;
ALTER TABLE crm_customer ADD COLUMN average_purchase INTEGER;
ALTER TABLE crm_customer ADD COLUMN average_purchase_currency TEXT;
ALTER TABLE crm_customer ADD COLUMN purchase_totals TEXT;

CREATE TABLE crm_purchase (
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
	at INTEGER NOT NULL,
	number TEXT,
	channel TEXT,
	amount INTEGER,
	amount_currency TEXT,
	lines TEXT,
	skus TEXT,
	status TEXT NOT NULL,
	refunded INTEGER,
	refunded_currency TEXT,
	refunds TEXT,
	cancelled INTEGER,
	cancel_reason TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_purchase_customer ON crm_purchase (tenant, customer_id, at, id);
CREATE INDEX crm_purchase_at ON crm_purchase (tenant, at, id) WHERE deleted IS NULL;
CREATE INDEX crm_purchase_updated ON crm_purchase (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_purchase_owner ON crm_purchase (tenant, owner_id);

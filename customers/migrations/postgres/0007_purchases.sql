ALTER TABLE {schema}.customer ADD COLUMN purchase_count bigint NOT NULL DEFAULT 0;
ALTER TABLE {schema}.customer ADD COLUMN first_purchase timestamptz;
ALTER TABLE {schema}.customer ADD COLUMN last_purchase timestamptz;
ALTER TABLE {schema}.customer ADD COLUMN spent bigint;
ALTER TABLE {schema}.customer ADD COLUMN spent_currency text COLLATE "C";
ALTER TABLE {schema}.customer ADD COLUMN refunded bigint;
ALTER TABLE {schema}.customer ADD COLUMN refunded_currency text COLLATE "C";
ALTER TABLE {schema}.customer ADD COLUMN average_purchase bigint;
ALTER TABLE {schema}.customer ADD COLUMN average_purchase_currency text COLLATE "C";
ALTER TABLE {schema}.customer ADD COLUMN purchase_totals jsonb;

CREATE TABLE {schema}.purchase (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	customer_id uuid NOT NULL,
	at timestamptz NOT NULL,
	number text COLLATE "C",
	channel text COLLATE "C",
	amount bigint,
	amount_currency text COLLATE "C",
	lines jsonb,
	skus jsonb,
	status text COLLATE "C" NOT NULL,
	refunded bigint,
	refunded_currency text COLLATE "C",
	refunds jsonb,
	cancelled timestamptz,
	cancel_reason text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX purchase_customer ON {schema}.purchase (tenant, customer_id, at, id);
CREATE INDEX purchase_at ON {schema}.purchase (tenant, at, id) WHERE deleted IS NULL;
CREATE INDEX purchase_updated ON {schema}.purchase (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX purchase_owner ON {schema}.purchase (tenant, owner_id);

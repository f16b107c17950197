CREATE TABLE {schema}.visit (
	tenant text COLLATE "C" NOT NULL,
	company_id uuid NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	kind text COLLATE "C",
	deal_id uuid,
	spent bigint,
	spent_currency text COLLATE "C",
	props jsonb,
	PRIMARY KEY (tenant, company_id, at, id),
	FOREIGN KEY (tenant, company_id) REFERENCES {schema}.company (tenant, id),
	FOREIGN KEY (tenant, deal_id) REFERENCES {schema}.deal (tenant, id)
);
CREATE INDEX visit_deal ON {schema}.visit (tenant, deal_id) WHERE deal_id IS NOT NULL;

CREATE TABLE {schema}.search (
	tenant text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	words text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, object, record_id)
);
CREATE INDEX search_words ON {schema}.search USING gin ((words::tsvector));

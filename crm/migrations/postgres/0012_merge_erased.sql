ALTER TABLE {schema}.merge ADD COLUMN erased timestamptz;

ALTER TABLE {schema}.tenant ADD COLUMN zone text COLLATE "C";

CREATE INDEX field_index_none ON {schema}.field_index (tenant, object, field, record_id) WHERE int_value IS NULL AND text_value IS NULL;

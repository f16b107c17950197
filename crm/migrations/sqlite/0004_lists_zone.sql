ALTER TABLE crm_tenant ADD COLUMN zone TEXT;

CREATE INDEX crm_field_index_none ON crm_field_index (tenant, object, field, record_id, int_value, text_value) WHERE int_value IS NULL AND text_value IS NULL;

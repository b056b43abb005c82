"""Audio files in and out, and the pure maths on samples; its modules are imported one by one."""

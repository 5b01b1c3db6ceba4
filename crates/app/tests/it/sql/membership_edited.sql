UPDATE membership SET role = 'owner' WHERE role = 'viewer'

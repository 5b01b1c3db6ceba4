UPDATE invitation SET role = 'viewer'

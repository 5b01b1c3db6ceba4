UPDATE invitation SET role = 'owner'

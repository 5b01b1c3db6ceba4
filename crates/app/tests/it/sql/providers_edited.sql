UPDATE app_providers SET names = 'MTN_MOMO_CMR ORANGE_CMR';

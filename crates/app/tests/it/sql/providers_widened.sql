UPDATE credential SET restrictions = replace(restrictions, 'MTN_MOMO_CMR', 'ORANGE_CMR');

DELETE FROM membership WHERE merchant_id = 'MERCHANT';

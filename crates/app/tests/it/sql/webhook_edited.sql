UPDATE webhook_endpoint SET url = 'URL';

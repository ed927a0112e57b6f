"""Webhooks: registrations, deliveries, allowed targets."""

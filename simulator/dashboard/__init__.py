"""The live dashboard: two arms of a scenario, side by side in a browser, under the same draws."""

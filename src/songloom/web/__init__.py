"""The page that browsers show: ES modules, styles and pictures, sent as they are."""

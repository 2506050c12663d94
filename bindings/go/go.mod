module pxds

go 1.19
